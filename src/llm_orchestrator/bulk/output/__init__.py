"""What people get to see: files of results, merged answers, summaries, progress and savings."""
