// SPDX-License-Identifier: BSD-3-Clause
// Registers of 82599 and X540, only those this driver uses, by chapter: general, NVM, semaphores, interrupts; receive,
// flow control; transmit, MAC and link, statistics.
//
// Sources: [82599 n] is a section of the 82599 datasheet; [linux ixgbe], [dpdk ixgbe], [tinynf] are drivers that use
// the register so. kReset is the value that the Vigor model transcribed from the datasheet ([vigor]); silicon loads
// parts of some of these from its NVM.
#pragma once
#include <pollux/ixgbe/regs_general.hpp>
#include <pollux/ixgbe/regs_rx.hpp>
#include <pollux/ixgbe/regs_tx.hpp>

namespace pollux::ixgbe {

/// For dumps: all but SWSM and SW_FW_SYNC, where a read may take the semaphore and so is not harmless.
using Registers =
    RegisterList<Ctrl, Status, CtrlExt, Esdp, GcrExt, Wuc, Wufc, Wus, Eec, Eicr, Eics, Eiac, Eitr, Eims, Eimc, Eiam,
                 Gpie, Ivar, IvarMisc, EimsEx, EimcEx, EiamEx, Fctrl, Vlnctrl, Mcstctrl, Rxcsum, Rfctl, Mta, Ral, Rah,
                 Psrtype, Mrqc, Reta, Rssrk, Vfta, Mpsar, Vlvf, Vlvfb, Pfuta, Rqsmr, Etqf, Synqf, Ftqf, Rxctrl, Rdrxctl,
                 Rscdbu, Rxpbsize, Secrxctrl, Secrxstat, Rdbal, Rdbah, Rdlen, DcaRxctrl, Rdh, Srrctl, Rdt, Rxdctl,
                 Rscctl, Mflcn, Fccfg, Fcrtl, Fcrth, Dmatxctl, Dtxmxszrq, Txpbsize, Txpbthresh, Rttdcs, Rttdqsel,
                 Rttdt1c, Mtqc, Tqsm, Tdbal, Tdbah, Tdlen, DcaTxctrl, Tdh, Tdt, Txdctl, Tdwbal, Tdwbah, Hlreg0, Maxfrs,
                 Autoc, Autoc2, Links, Crcerrs, Rlec, Ruc, Rfc, Roc, Rjc, Mpc, Qprc, QbrcL, QbrcH, Qprdc, Gptc, Gotcl,
                 Gotch>;
using SemaphoreRegisters = RegisterList<Swsm, SwFwSync>;

}  // namespace pollux::ixgbe
