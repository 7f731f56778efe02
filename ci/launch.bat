rem SPDX-License-Identifier: GPL-2.0-or-later
rem Called by scons.bat and runtests.bat in the root folder with "build" or "test". Each Python is tried by starting it:
rem the one that Windows puts on PATH by itself only advertises a shop.
set python=py -3
%python% -c "" >nul 2>nul
if errorlevel 1 set python=python
%python% -c "" >nul 2>nul
if errorlevel 1 goto none
%python% ci\bootstrap.py %1
exit /b %errorlevel%
:none
echo Python 3.10 or newer is needed and there is none on PATH. 1>&2
echo Run this, then try again: winget install Python.Python.3.12 1>&2
exit /b 12
