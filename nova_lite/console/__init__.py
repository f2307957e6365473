"""The console proxy: pages and websockets for browsers on one side, the hosts' relays on the other."""
