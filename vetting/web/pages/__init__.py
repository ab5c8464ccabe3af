"""One file a page: what it reads, which template shows it, and what its forms do."""
