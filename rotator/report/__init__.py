"""What people and programs read: tables and JSON made from the core's types. Pure; printing is the CLI's."""
