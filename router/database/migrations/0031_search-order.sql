DROP INDEX `conversations_unsearched`;--> statement-breakpoint
CREATE INDEX `conversations_unsearched` ON `conversations` (`user_id`,`id`) WHERE searched_to < last_position AND expires_at_ms IS NULL;