# Writes a .cc file that holds files as text: `cmake -DOUTPUT=x.cc -DNAMESPACE=tieline::connect -DROOT=dir -DFILES="a|b" -P embed.cmake`.
set(body "#include \"base/embedded.h\"\n\nnamespace ${NAMESPACE} {\nnamespace {\nconstexpr tieline::EmbeddedFile kFiles[] = {\n")
string(REPLACE "|" ";" FILES "${FILES}")
foreach(file IN LISTS FILES)
  file(READ "${ROOT}/${file}" text)
  string(APPEND body "    {\"${file}\", R\"~tieline~(${text})~tieline~\"},\n")
endforeach()
string(APPEND body "};\n}  // namespace\n\nstd::span<const tieline::EmbeddedFile> embedded_files() { return kFiles; }\n\n}  // namespace ${NAMESPACE}\n")
file(WRITE "${OUTPUT}" "${body}")
