ALTER TABLE `usage_series` ADD `day` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `usage_series` ADD `calls` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `usage_series` ADD `prompt_tokens` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `usage_series` ADD `completion_tokens` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `usage_series` ADD `cached_tokens` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `usage_series` ADD `reasoning_tokens` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `usage_series` ADD `estimated_calls` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `usage_series` ADD `cost_picos` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
UPDATE `usage_series` SET (`day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos`)
= (SELECT `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos`
	FROM `usage_sums` WHERE `series_id` = `id` ORDER BY `day` DESC LIMIT 1)
WHERE EXISTS (SELECT 1 FROM `usage_sums` WHERE `series_id` = `id`);
--> statement-breakpoint
DELETE FROM `usage_sums` WHERE EXISTS (SELECT 1 FROM `usage_series` WHERE `id` = `series_id` AND `usage_series`.`day` = `usage_sums`.`day`);
