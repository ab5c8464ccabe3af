"""IN THE LIVE IMAGE: claims its run, walks the stages that it is told, measures, and never decides a verdict of a run."""
