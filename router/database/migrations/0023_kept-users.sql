PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_budgets` (
	`subject_id` text PRIMARY KEY NOT NULL,
	`user_id` text,
	`key_id` text,
	`unit` text NOT NULL,
	`period` text NOT NULL,
	`soft_limit` real,
	`hard_limit` real,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`key_id`) REFERENCES `keys`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
INSERT INTO `__new_budgets`("subject_id", "user_id", "key_id", "unit", "period", "soft_limit", "hard_limit") SELECT "subject_id", "user_id", "key_id", "unit", "period", "soft_limit", "hard_limit" FROM `budgets`;--> statement-breakpoint
DROP TABLE `budgets`;--> statement-breakpoint
ALTER TABLE `__new_budgets` RENAME TO `budgets`;--> statement-breakpoint
PRAGMA foreign_keys=ON;--> statement-breakpoint
CREATE INDEX `budgets_by_user` ON `budgets` (`user_id`);--> statement-breakpoint
CREATE INDEX `budgets_by_key` ON `budgets` (`key_id`);--> statement-breakpoint
ALTER TABLE `users` ADD `purge_at_ms` integer;--> statement-breakpoint
CREATE INDEX `users_by_purge` ON `users` (`purge_at_ms`) WHERE purge_at_ms IS NOT NULL;