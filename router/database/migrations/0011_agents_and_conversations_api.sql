ALTER TABLE `agents` ADD `model` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `agents` ADD `updated_at_ms` integer;--> statement-breakpoint
ALTER TABLE `conversations` ADD `model` text DEFAULT '' NOT NULL;