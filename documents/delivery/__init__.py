"""From a locked document to its reader: deliveries, letters, notices, links."""
