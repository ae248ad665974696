CREATE TABLE `user_limits` (
	`subject_id` text PRIMARY KEY NOT NULL,
	`runners` integer,
	`agents` integer,
	`backends` text
);
--> statement-breakpoint
CREATE TABLE `audit_events` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at_ms` integer NOT NULL,
	`action` text NOT NULL,
	`actor` text NOT NULL,
	`actor_id` text,
	`target` text NOT NULL,
	`detail` text NOT NULL,
	`address` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_events_by_time` ON `audit_events` (`at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `audit_events_by_action` ON `audit_events` (`action`,`at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `audit_events_by_actor` ON `audit_events` (`actor`);--> statement-breakpoint
CREATE INDEX `audit_events_by_target` ON `audit_events` (`target`);
--> statement-breakpoint
CREATE TRIGGER `audit_events_unchanged` BEFORE UPDATE ON `audit_events` BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_events_kept` BEFORE DELETE ON `audit_events`
WHEN old.at_ms > (unixepoch() - 86400) * 1000 OR EXISTS (SELECT 1 FROM `audit_events` WHERE id < old.id)
BEGIN SELECT RAISE(ABORT, 'audit events are deleted oldest first, after their retention'); END;
