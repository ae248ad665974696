CREATE TABLE `message_pieces` (
	`message_id` text NOT NULL,
	`ordinal` integer NOT NULL,
	`content` text NOT NULL,
	PRIMARY KEY(`message_id`, `ordinal`),
	FOREIGN KEY (`message_id`) REFERENCES `messages`(`id`) ON UPDATE no action ON DELETE cascade
);
