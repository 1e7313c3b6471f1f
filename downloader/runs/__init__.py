"""One run: what the settings mean for it (`plan`), and how its parts are put together (`download_run`)."""
