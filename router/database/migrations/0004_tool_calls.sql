ALTER TABLE `messages` ADD `calls` text;--> statement-breakpoint
ALTER TABLE `messages` ADD `results` text;