"""A hypervisor without guests, for simulation and tests."""
