"""From a world to results: assembly, chunks of paths on threads, a run folder that can be resumed."""
