# SPDX-License-Identifier: GPL-2.0-or-later
"""Building and packaging Windows drivers without Windows.

A plain library: one module a stage, each a function from inputs and options to files. ``platforms.yaml`` says what
exists (:mod:`gplpv.matrix`), SCons draws the graph, ``gplpv`` on the command line calls the same functions.
"""
