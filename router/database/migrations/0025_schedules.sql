CREATE TABLE `schedules` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`cron` text NOT NULL,
	`time_zone` text NOT NULL,
	`text` text NOT NULL,
	`conversation_id` text,
	`is_paused` integer DEFAULT false NOT NULL,
	`next_at_ms` integer,
	`created_at_ms` integer NOT NULL,
	`last_at_ms` integer,
	`last_conversation_id` text,
	`last_problem` text,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`agent_id`) REFERENCES `agents`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `schedules_due` ON `schedules` (`next_at_ms`) WHERE next_at_ms IS NOT NULL;--> statement-breakpoint
CREATE INDEX `schedules_by_agent` ON `schedules` (`agent_id`,`created_at_ms`);--> statement-breakpoint
CREATE INDEX `schedules_by_user` ON `schedules` (`user_id`,`created_at_ms`);