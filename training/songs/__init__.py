"""Song collections: fetched by a sheet, turned from audio into MIDI."""
