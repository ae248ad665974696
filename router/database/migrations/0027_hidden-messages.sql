DROP INDEX `messages_shown`;--> statement-breakpoint
CREATE INDEX `messages_hidden` ON `messages` (`conversation_id`,`position`) WHERE is_hidden = 1;