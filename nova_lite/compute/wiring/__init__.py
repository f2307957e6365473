"""The host's side of networks: bridges, taps, DHCP, firewall, metadata."""
