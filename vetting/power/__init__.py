"""WHO SWITCHES HOSTS ON: Wake-on-LAN, and management controllers by IPMI or Redfish. Knows hosts by address alone."""
