DROP INDEX `conversations_by_user`;--> statement-breakpoint
ALTER TABLE `conversations` ADD `goes_on_from` integer;--> statement-breakpoint
ALTER TABLE `conversations` ADD `shelf` text DEFAULT 'list' NOT NULL;--> statement-breakpoint
ALTER TABLE `conversations` ADD `is_unread` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX `conversations_by_user` ON `conversations` (`user_id`,`shelf`,`expires_at_ms`,`updated_at_ms`,`id`);--> statement-breakpoint
ALTER TABLE `users` ADD `model_titles` integer DEFAULT true NOT NULL;--> statement-breakpoint
ALTER TABLE `messages` ADD `parent` integer;--> statement-breakpoint
ALTER TABLE `messages` ADD `is_hidden` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX `messages_shown` ON `messages` (`conversation_id`,`position`) WHERE is_hidden = 0;--> statement-breakpoint
CREATE INDEX `messages_branching` ON `messages` (`conversation_id`,`parent`,`position`) WHERE parent IS NOT NULL;