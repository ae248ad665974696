DROP INDEX `conversations_by_user`;--> statement-breakpoint
CREATE INDEX `conversations_by_agent` ON `conversations` (`agent_id`);--> statement-breakpoint
CREATE INDEX `conversations_by_user` ON `conversations` (`user_id`,`expires_at_ms`,`updated_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `budgets_by_user` ON `budgets` (`user_id`);--> statement-breakpoint
CREATE INDEX `budgets_by_key` ON `budgets` (`key_id`);--> statement-breakpoint
CREATE INDEX `sessions_by_expiry` ON `sessions` (`expires_at_ms`);