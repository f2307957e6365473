"""Makes the tiny guest: a bootable cloud image of 19 MB out of Debian packages, without installing any of them."""
