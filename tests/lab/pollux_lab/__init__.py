"""The Pollux lab: run a program in a virtual machine with real VFIO and emulated NICs."""
