"""The score: notes and beats in, quantised music out, as MusicXML, MIDI and PDF.

As a task: input `music.Transcription`, output `music.WrittenScore`.
"""
