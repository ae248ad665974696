CREATE TABLE `search_entries` (
	`id` integer PRIMARY KEY NOT NULL,
	`message_id` text,
	`conversation_id` text,
	FOREIGN KEY (`message_id`) REFERENCES `messages`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`conversation_id`) REFERENCES `conversations`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `search_entries_message_id_unique` ON `search_entries` (`message_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `search_entries_conversation_id_unique` ON `search_entries` (`conversation_id`);--> statement-breakpoint
CREATE TABLE `search_owners` (
	`number` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` text NOT NULL,
	`entries` integer DEFAULT 0 NOT NULL,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `search_owners_user_id_unique` ON `search_owners` (`user_id`);--> statement-breakpoint
ALTER TABLE `conversations` ADD `searched_to` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `conversations_unsearched` ON `conversations` (`user_id`,`updated_at_ms`,`id`) WHERE searched_to < last_position AND expires_at_ms IS NULL;
--> statement-breakpoint
CREATE VIRTUAL TABLE `search_index` USING fts5(text, tokenize = 'trigram', detail = none, content = '', contentless_delete = 1);--> statement-breakpoint
CREATE TRIGGER `search_entries_deleted` AFTER DELETE ON `search_entries` BEGIN DELETE FROM `search_index` WHERE rowid = old.id; END;
