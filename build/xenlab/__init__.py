# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab that runs Windows drivers, their shipped bytes, on an emulated CPU under a simulated kernel and hypervisor."""
