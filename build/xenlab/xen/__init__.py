# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen as a guest sees it: hypervisor, xenstore, block back end, device model and toolstack of one HVM domain.

It knows the guest as memory only (:mod:`xenlab.xen.ports`): no CPU, no Windows.
"""
