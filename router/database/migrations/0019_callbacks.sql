ALTER TABLE `messages` ADD `callback_id` text;--> statement-breakpoint
ALTER TABLE `messages` ADD `extra` text;--> statement-breakpoint
CREATE INDEX `messages_by_callback` ON `messages` (`callback_id`) WHERE callback_id IS NOT NULL;--> statement-breakpoint
ALTER TABLE `runners` ADD `callback_token_hash` text;--> statement-breakpoint
CREATE INDEX `conversations_newest_of_agent` ON `conversations` (`agent_id`,`updated_at_ms`,`id`) WHERE shelf = 'list' AND expires_at_ms IS NULL;