CREATE TABLE `usage_series` (
	`id` integer PRIMARY KEY NOT NULL,
	`dimension` text NOT NULL,
	`user_id` text NOT NULL,
	`key` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `usage_series_by_key` ON `usage_series` (`dimension`,`user_id`,`key`);--> statement-breakpoint
CREATE TABLE `usage_sums` (
	`series_id` integer NOT NULL,
	`day` integer NOT NULL,
	`calls` integer NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`cached_tokens` integer NOT NULL,
	`reasoning_tokens` integer NOT NULL,
	`estimated_calls` integer NOT NULL,
	`cost_picos` integer NOT NULL,
	PRIMARY KEY(`series_id`, `day`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TEMP TABLE `usage_of_days` AS
SELECT `at_ms` / 86400000 AS `day`, `user_id`, `agent_id`, `backend`, `model`, coalesce(`key_id`, '') AS `key_id`, `key_ids`,
	count(*) AS `calls`, sum(`prompt_tokens`) AS `prompt_tokens`, sum(`completion_tokens`) AS `completion_tokens`,
	sum(`cached_tokens`) AS `cached_tokens`, sum(`reasoning_tokens`) AS `reasoning_tokens`, sum(`estimated`) AS `estimated_calls`,
	sum(CAST(round(coalesce(`cost`, 0) * 1e12) AS integer)) AS `cost_picos`
FROM `usage` GROUP BY 1, 2, 3, 4, 5, 6, 7;
--> statement-breakpoint
CREATE TEMP TABLE `usage_of_series` AS
SELECT 'user' AS `dimension`, '' AS `user_id`, `user_id` AS `key`, `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos` FROM `usage_of_days`
UNION ALL SELECT 'backend' AS `dimension`, '' AS `user_id`, `backend` AS `key`, `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos` FROM `usage_of_days`
UNION ALL SELECT 'model' AS `dimension`, '' AS `user_id`, `model` AS `key`, `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos` FROM `usage_of_days`
UNION ALL SELECT 'backend' AS `dimension`, `user_id` AS `user_id`, `backend` AS `key`, `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos` FROM `usage_of_days`
UNION ALL SELECT 'model' AS `dimension`, `user_id` AS `user_id`, `model` AS `key`, `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos` FROM `usage_of_days`
UNION ALL SELECT 'agent' AS `dimension`, `user_id` AS `user_id`, `agent_id` AS `key`, `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos` FROM `usage_of_days`
UNION ALL SELECT 'key' AS `dimension`, `user_id` AS `user_id`, `key_id` AS `key`, `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos` FROM `usage_of_days`
UNION ALL SELECT 'possible-key' AS `dimension`, `user_id` AS `user_id`, `json_each`.`value` AS `key`, `day`, `calls`, `prompt_tokens`, `completion_tokens`, `cached_tokens`, `reasoning_tokens`, `estimated_calls`, `cost_picos` FROM `usage_of_days`, json_each(`usage_of_days`.`key_ids`);
--> statement-breakpoint
INSERT INTO `usage_series` (`dimension`, `user_id`, `key`) SELECT DISTINCT `dimension`, `user_id`, `key` FROM `usage_of_series`;
--> statement-breakpoint
INSERT INTO `usage_sums`
SELECT `id`, `day`, sum(sum(`calls`)) OVER `so_far`, sum(sum(`prompt_tokens`)) OVER `so_far`, sum(sum(`completion_tokens`)) OVER `so_far`, sum(sum(`cached_tokens`)) OVER `so_far`, sum(sum(`reasoning_tokens`)) OVER `so_far`, sum(sum(`estimated_calls`)) OVER `so_far`, sum(sum(`cost_picos`)) OVER `so_far`
FROM `usage_of_series` JOIN `usage_series` USING (`dimension`, `user_id`, `key`)
GROUP BY `id`, `day` WINDOW `so_far` AS (PARTITION BY `id` ORDER BY `day`);
--> statement-breakpoint
DROP TABLE `usage_of_series`;
--> statement-breakpoint
DROP TABLE `usage_of_days`;
