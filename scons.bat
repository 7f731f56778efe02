@echo off
rem SPDX-License-Identifier: GPL-2.0-or-later
rem Builds and packages the drivers: scons -h lists the options. Sets itself up on first use.
setlocal
cd /d "%~dp0"
call ci\launch.bat build
if errorlevel 1 exit /b %errorlevel%
.venv\Scripts\python.exe -m SCons -Q %*
exit /b %errorlevel%
