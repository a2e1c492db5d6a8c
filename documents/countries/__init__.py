"""What each country's law says, as data: one file a country (`es.py`, `mx.py` ...), read through `pack`. Pure."""
