CREATE TABLE `shared_models` (
	`model` text PRIMARY KEY NOT NULL
);
--> statement-breakpoint
ALTER TABLE `prices` ADD `per_call` real;--> statement-breakpoint
ALTER TABLE `usage` ADD `key_ids` text;