DROP INDEX `audit_events_by_actor`;--> statement-breakpoint
DROP INDEX `audit_events_by_target`;--> statement-breakpoint
CREATE INDEX `audit_events_of_actor` ON `audit_events` (`actor`,`at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `audit_events_of_target` ON `audit_events` (`target`,`at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `conversations_numbered` ON `conversations` (`agent_id`,`created_at_ms`,`id`,`expires_at_ms`) WHERE expires_at_ms IS NULL;