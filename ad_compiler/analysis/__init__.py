"""What is known of a program: types, activity, storage."""
