// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * pollux_udd_pci: gives any PCI function to a real-time program as a UDD device of Xenomai 3 (Cobalt).
 *
 * It knows no device: it takes what driver_override names. Memory BAR N is region N; the interrupt is INTx or one MSI
 * vector (irq=). The device is /dev/rtdm/pollux-DDDD:BB:DD.F. See README.md for what it was compiled with and that it
 * was never run.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <rtdm/driver.h>
#include <rtdm/udd.h>

static char *irq = "intx";
module_param(irq, charp, 0444);
MODULE_PARM_DESC(irq, "interrupt to take: intx (default), msi (one vector), none");

struct card {
	struct udd_device udd; /* first: freed with this */
	struct pci_dev *pdev;
	bool msi;
	int bars; /* those that are regions */
	unsigned long masked; /* bit 0: INTx is off at the interrupt controller, by the handler or by IRQDIS */
	unsigned long quiet; /* bit 0: MSI events are not to be counted */
	unsigned long opened; /* bit 0 */
	rtdm_irq_t msi_irq;
	char name[RTDM_MAX_DEVNAME_LEN + 1];
	char region_names[UDD_NR_MAPS][8];
};

static struct card *card_of(struct rtdm_fd *fd)
{
	return container_of(udd_get_device(fd), struct card, udd);
}

/*
 * INTx. Runs out of band, where COMMAND.INTxDisable must not be touched: pci_intx() and pci_check_and_mask_intx() take
 * pci_lock, which the Linux code that this interrupted may hold. So the line is masked at the controller
 * (RTDM_IRQ_DISABLE). UDD counts only what is exactly RTDM_IRQ_HANDLED, so that is said here. UDD requests lines
 * exclusively: nobody else's interrupt comes here.
 */
static int intx_handler(struct udd_device *udd)
{
	struct card *card = container_of(udd, struct card, udd);

	set_bit(0, &card->masked);
	udd_notify_event(udd);
	return RTDM_IRQ_HANDLED | RTDM_IRQ_DISABLE;
}

/* MSI: an edge; nothing to mask. UDD_IRQ_CUSTOM, so that IRQEN and IRQDIS stay out of Linux. */
static int msi_handler(rtdm_irq_t *irq_handle)
{
	struct card *card = rtdm_irq_get_arg(irq_handle, struct card);

	if (!test_bit(0, &card->quiet))
		udd_notify_event(&card->udd);
	return RTDM_IRQ_HANDLED;
}

/*
 * Before UDD's own. Linux counts how often a line was disabled: whoever dies between mask and unmask must not leave it
 * off for good, and to enable it twice is a warning. So for INTx UDD sees only what changes something.
 */
static int card_ioctl(struct rtdm_fd *fd, unsigned int request, void *arg)
{
	struct card *card = card_of(fd);

	switch (request) {
	case UDD_RTIOC_IRQEN:
		if (card->msi) {
			clear_bit(0, &card->quiet);
			return 0;
		}
		if (card->udd.irq == UDD_IRQ_NONE)
			return -EIO;
		return test_and_clear_bit(0, &card->masked) ? -ENOSYS : 0; /* ENOSYS: UDD does it */
	case UDD_RTIOC_IRQDIS:
		if (card->msi) {
			set_bit(0, &card->quiet);
			return 0;
		}
		if (card->udd.irq == UDD_IRQ_NONE)
			return -EIO;
		return test_and_set_bit(0, &card->masked) ? 0 : -ENOSYS;
	default:
		return -ENOSYS;
	}
}

/* In Linux (secondary mode), as card_close. */
static int card_open(struct rtdm_fd *fd, int oflags)
{
	struct card *card = card_of(fd);

	if (test_and_set_bit(0, &card->opened))
		return -EBUSY; /* as RTDM_EXCLUSIVE; here, because card_close relies on it */
	if (!card->msi && card->udd.irq != UDD_IRQ_NONE)
		pci_intx(card->pdev, 1);
	return 0;
}

/* However the program ended: no DMA, no interrupt. */
static void card_close(struct rtdm_fd *fd)
{
	struct card *card = card_of(fd);

	pci_clear_master(card->pdev);
	if (card->msi)
		set_bit(0, &card->quiet);
	else
		pci_intx(card->pdev, 0);
	clear_bit(0, &card->opened);
}

/* Returns which BARs are regions, as a mask. The others are left free: sysfs must be able to map them. */
static int describe_regions(struct card *card)
{
	int bars = 0;
	int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		resource_size_t start = pci_resource_start(card->pdev, bar);
		resource_size_t bytes = pci_resource_len(card->pdev, bar);
		struct udd_memregion *region;

		if (bytes == 0 || !(pci_resource_flags(card->pdev, bar) & IORESOURCE_MEM))
			continue;
		if (bar >= UDD_NR_MAPS) {
			pci_info(card->pdev, "BAR %d has no UDD region (there are %d): map it by sysfs, resource%d\n", bar,
				 UDD_NR_MAPS, bar);
			continue;
		}
		region = &card->udd.mem_regions[bar];
		snprintf(card->region_names[bar], sizeof(card->region_names[bar]), "BAR%d", bar);
		region->name = card->region_names[bar];
		region->addr = start & PAGE_MASK; /* whole pages; the program adds what is left */
		region->len = PAGE_ALIGN((start & ~PAGE_MASK) + bytes);
		region->type = UDD_MEM_PHYS;
		bars |= 1 << bar;
	}
	return bars;
}

static int choose_irq(struct card *card)
{
	struct pci_dev *pdev = card->pdev;
	int ret;

	card->udd.irq = UDD_IRQ_NONE;
	if (sysfs_streq(irq, "none"))
		return 0;
	if (sysfs_streq(irq, "msi")) {
		ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
		if (ret < 0)
			return ret;
		card->msi = true;
		card->udd.irq = UDD_IRQ_CUSTOM;
		return 0;
	}
	if (!sysfs_streq(irq, "intx"))
		return -EINVAL;
	if (pdev->pin == 0 || pdev->irq == 0) {
		pci_info(pdev, "has no INTx: no interrupt, or use irq=msi\n");
		return 0;
	}
	pci_intx(pdev, 0); /* until the device is opened */
	card->udd.irq = pdev->irq;
	card->udd.ops.interrupt = intx_handler;
	return 0;
}

static int card_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct card *card;
	int ret;

	card = kzalloc(sizeof(*card), GFP_KERNEL);
	if (!card)
		return -ENOMEM;
	card->pdev = pdev;
	card->quiet = 1;

	ret = pci_enable_device(pdev);
	if (ret)
		goto fail_enable;
	pci_clear_master(pdev); /* the program turns it on */
	card->bars = describe_regions(card);
	ret = pci_request_selected_regions(pdev, card->bars, KBUILD_MODNAME);
	if (ret)
		goto fail_regions;

	snprintf(card->name, sizeof(card->name), "pollux-%s", pci_name(pdev));
	card->udd.device_name = card->name;
	card->udd.device_flags = 0;
	card->udd.device_subclass = RTDM_SUBCLASS_GENERIC;
	card->udd.ops.open = card_open;
	card->udd.ops.close = card_close;
	card->udd.ops.ioctl = card_ioctl;
	ret = choose_irq(card);
	if (ret)
		goto fail_irq;

	ret = udd_register_device(&card->udd);
	if (ret)
		goto fail_register;
	if (card->msi) {
		ret = rtdm_irq_request(&card->msi_irq, pci_irq_vector(pdev, 0), msi_handler, RTDM_IRQTYPE_EDGE, card->name,
				       card);
		if (ret)
			goto fail_msi;
	}

	pci_set_drvdata(pdev, card);
	pci_info(pdev, "is /dev/rtdm/%s, interrupt: %s\n", card->name,
		 card->msi ? "MSI" : card->udd.irq == UDD_IRQ_NONE ? "none" : "INTx");
	return 0;

fail_msi:
	udd_unregister_device(&card->udd);
fail_register:
	if (card->msi)
		pci_free_irq_vectors(pdev);
fail_irq:
	pci_release_selected_regions(pdev, card->bars);
fail_regions:
	pci_disable_device(pdev);
fail_enable:
	kfree(card);
	return ret;
}

/* Waits until the program has closed the device; those that wait for its interrupt get EIDRM at once. */
static void card_remove(struct pci_dev *pdev)
{
	struct card *card = pci_get_drvdata(pdev);

	if (card->msi)
		rtdm_irq_free(&card->msi_irq);
	udd_unregister_device(&card->udd);
	pci_clear_master(pdev);
	if (card->msi)
		pci_free_irq_vectors(pdev);
	pci_release_selected_regions(pdev, card->bars);
	pci_disable_device(pdev);
	kfree(card);
}

/* No id table: driver_override binds, and nothing else. */
static struct pci_driver card_driver = {
	.name = KBUILD_MODNAME,
	.probe = card_probe,
	.remove = card_remove,
};
module_pci_driver(card_driver);

MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("Any PCI function as a UDD device of Xenomai 3");
