"""What happens beside a training: progress, figures, insight at the right moment."""
