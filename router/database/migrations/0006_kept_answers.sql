ALTER TABLE `conversations` ADD `expires_at_ms` integer;--> statement-breakpoint
CREATE INDEX `conversations_by_expiry` ON `conversations` (`expires_at_ms`);--> statement-breakpoint
ALTER TABLE `keys` ADD `events_while_waiting` integer DEFAULT false NOT NULL;