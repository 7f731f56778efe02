rem SPDX-License-Identifier: GPL-2.0-or-later
rem Called by scons.bat and runtests.bat in the root folder with "build" or "test".
where /q py && (py -3 ci\bootstrap.py %1 & exit /b)
where /q python && (python ci\bootstrap.py %1 & exit /b)
echo Python 3.10 or newer is needed and neither py nor python is on PATH. 1>&2
echo Run this, then try again: winget install Python.Python.3.12 1>&2
exit /b 12
