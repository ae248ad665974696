INSERT INTO `search_index` (`search_index`, `rank`) VALUES ('automerge', 0);--> statement-breakpoint
INSERT INTO `search_index` (`search_index`, `rank`) VALUES ('crisismerge', 1999);
