CREATE TABLE `attachments` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`conversation_id` text NOT NULL,
	`message_id` text,
	`ordinal` integer NOT NULL,
	`hash` text NOT NULL,
	`name` text NOT NULL,
	`type` text NOT NULL,
	`bytes` integer NOT NULL,
	`width` integer,
	`height` integer,
	`created_at_ms` integer NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`conversation_id`) REFERENCES `conversations`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`message_id`) REFERENCES `messages`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `attachments_by_user` ON `attachments` (`user_id`,`bytes`);--> statement-breakpoint
CREATE INDEX `attachments_by_conversation` ON `attachments` (`conversation_id`);--> statement-breakpoint
CREATE INDEX `attachments_by_message` ON `attachments` (`message_id`,`ordinal`);--> statement-breakpoint
CREATE INDEX `attachments_by_hash` ON `attachments` (`hash`);--> statement-breakpoint
CREATE INDEX `attachments_waiting` ON `attachments` (`created_at_ms`) WHERE message_id IS NULL;--> statement-breakpoint
CREATE TABLE `loose_blobs` (
	`hash` text PRIMARY KEY NOT NULL,
	`since_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `loose_blobs_since` ON `loose_blobs` (`since_ms`);
--> statement-breakpoint
CREATE TRIGGER `attachments_deleted` AFTER DELETE ON `attachments` WHEN NOT EXISTS (SELECT 1 FROM `attachments` WHERE `hash` = old.`hash`) BEGIN INSERT OR REPLACE INTO `loose_blobs` (`hash`, `since_ms`) VALUES (old.`hash`, 0); END;
