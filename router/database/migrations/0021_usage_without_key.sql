INSERT INTO `usage_series` (`dimension`, `user_id`, `key`)
SELECT 'key', '', '' WHERE EXISTS (SELECT 1 FROM `usage_series` WHERE `dimension` = 'key' AND `key` = '');
--> statement-breakpoint
INSERT INTO `usage_sums`
SELECT `everybody`.`id`, `day`, sum(sum(`calls`)) OVER `so_far`, sum(sum(`prompt_tokens`)) OVER `so_far`, sum(sum(`completion_tokens`)) OVER `so_far`, sum(sum(`cached_tokens`)) OVER `so_far`, sum(sum(`reasoning_tokens`)) OVER `so_far`, sum(sum(`estimated_calls`)) OVER `so_far`, sum(sum(`cost_picos`)) OVER `so_far`
FROM (
	SELECT `day`, `calls` - lag(`calls`, 1, 0) OVER `days` AS `calls`,
		`prompt_tokens` - lag(`prompt_tokens`, 1, 0) OVER `days` AS `prompt_tokens`,
		`completion_tokens` - lag(`completion_tokens`, 1, 0) OVER `days` AS `completion_tokens`,
		`cached_tokens` - lag(`cached_tokens`, 1, 0) OVER `days` AS `cached_tokens`,
		`reasoning_tokens` - lag(`reasoning_tokens`, 1, 0) OVER `days` AS `reasoning_tokens`,
		`estimated_calls` - lag(`estimated_calls`, 1, 0) OVER `days` AS `estimated_calls`,
		`cost_picos` - lag(`cost_picos`, 1, 0) OVER `days` AS `cost_picos`
	FROM `usage_sums` JOIN `usage_series` ON `id` = `series_id`
	WHERE `dimension` = 'key' AND `key` = '' AND `user_id` <> ''
	WINDOW `days` AS (PARTITION BY `series_id` ORDER BY `day`)
), (SELECT `id` FROM `usage_series` WHERE `dimension` = 'key' AND `user_id` = '' AND `key` = '') AS `everybody`
GROUP BY `day` WINDOW `so_far` AS (ORDER BY `day`);
