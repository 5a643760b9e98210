"""The score: notes and beats in, quantised music out, as MusicXML, MIDI and PDF.

As a task: input `music.Transcription`, output `music.WrittenScore`.

In the order of the work: `grid` turns seconds into beats and bars, `quantise` finds each note's place, `voices` deals
the notes out to hands and voices, `values` cuts them into note values, `spelling` and `chords` name them, `drumkit`
places drums, `staves` and `writing` put it together as `model.Score`: plain values, to be shown and edited. From there
`notation` makes MusicXML and `engraving` the PDF; `midi` makes files of the performance itself. `engraver` is the
engine.
"""
