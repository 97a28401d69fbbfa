/*
 * The FileDescriptorSets that every session file carries, made by protoc from the .proto files
 * beside this one. Each has its begin and end as symbols; schema.c gives them names.
 */
	.section .rodata

	.macro descriptors name, file
	.global schema_\name
	.global schema_\name\()_end
schema_\name:
	.incbin "\file"
schema_\name\()_end:
	.endm

	descriptors screen, "descriptors/screen.desc"
	descriptors input, "descriptors/input.desc"
	descriptors session, "descriptors/session.desc"
	descriptors study, "descriptors/study.desc"
	descriptors acts, "descriptors/acts.desc"
	descriptors sound, "descriptors/sound.desc"
	descriptors audio, "descriptors/foxglove/CompressedAudio.desc"
	descriptors video, "descriptors/foxglove/CompressedVideo.desc"

	.section .note.GNU-stack, "", @progbits
