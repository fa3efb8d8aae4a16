"""What people read: strings, tables, bars, and a model's Markdown as safe HTML."""
