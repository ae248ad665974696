ALTER TABLE `keys` ADD `expires_at_ms` integer;--> statement-breakpoint
ALTER TABLE `keys` ADD `scopes` text DEFAULT '["v1"]' NOT NULL;--> statement-breakpoint
ALTER TABLE `keys` ADD `backends` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `keys` ADD `agents` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `keys` ADD `requests_per_minute` integer;--> statement-breakpoint
ALTER TABLE `keys` ADD `tokens_per_minute` integer;--> statement-breakpoint
ALTER TABLE `keys` ADD `concurrent_max` integer;