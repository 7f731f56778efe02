@echo off
rem SPDX-License-Identifier: GPL-2.0-or-later
rem Runs the unit tests; arguments are pytest's. Sets itself up on first use. Packages are installed on Wine only.
setlocal
cd /d "%~dp0"
call ci\launch.bat test
if errorlevel 1 exit /b %errorlevel%
.venv\Scripts\python.exe -m pytest tests\unit %*
exit /b %errorlevel%
