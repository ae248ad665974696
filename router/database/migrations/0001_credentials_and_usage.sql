CREATE TABLE `budgets` (
	`subject_id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`key_id` text,
	`unit` text NOT NULL,
	`period` text NOT NULL,
	`soft_limit` real,
	`hard_limit` real,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`key_id`) REFERENCES `keys`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `prices` (
	`model` text PRIMARY KEY NOT NULL,
	`prompt` real NOT NULL,
	`completion` real NOT NULL,
	`cached` real
);
--> statement-breakpoint
CREATE TABLE `shared_variables` (
	`name` text PRIMARY KEY NOT NULL,
	`updated_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `usage` (
	`id` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`user_id` text NOT NULL,
	`agent_id` text NOT NULL,
	`backend` text NOT NULL,
	`conversation_id` text,
	`key_id` text,
	`path` text NOT NULL,
	`model` text NOT NULL,
	`source` text NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`estimated` integer NOT NULL,
	`cost` real,
	`status` integer NOT NULL,
	`ending` text NOT NULL,
	`first_byte_ms` integer,
	`total_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `usage_by_user` ON `usage` (`user_id`,`at_ms`);--> statement-breakpoint
CREATE INDEX `usage_by_time` ON `usage` (`at_ms`);--> statement-breakpoint
ALTER TABLE `runners` ADD `values_hash` text;