# SPDX-License-Identifier: BSD-3-Clause
"""What pollux-devbind and pollux-doctor share."""
