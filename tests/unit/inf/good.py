# SPDX-License-Identifier: GPL-2.0-or-later
"""An INF without a fault, for tests that break it in one place."""

GOOD = r"""[Version]
Signature="$Windows NT$"
Class=System
ClassGUID={4d36e97d-e325-11ce-bfc1-08002be10318}
Provider=%Maker%
CatalogFile=a.cat
DriverVer=01/02/2012,1.2.3.4
PnpLockdown=1
[DestinationDirs]
DefaultDestDir=12
[SourceDisksNames]
1=%Disk%
[SourceDisksFiles]
a.sys=1
[Manufacturer]
%Maker%=Models,NTamd64
[Models.NTamd64]
%Device%=Install,PCI\VEN_1&DEV_2
[Install.NT]
CopyFiles=Files
AddReg=Values
[Install.NT.Services]
AddService=a,2,Service
[Files]
a.sys,,,2
[Values]
HKR,Key,Text,,"a,b"
HKR,,Number,0x00010001,7
HKR,,Bytes,1,01,fe
HKR,,List,0x00010000,a,b
[Service]
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%12%\a.sys
[Strings]
Maker="The maker"
Disk="The disk"
Device="The device"
"""
