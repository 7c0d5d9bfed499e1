# What goes where on `cmake --install`.

include(CMakePackageConfigHelpers)

install(DIRECTORY include/fsbackend DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS fsbackend fsbackend-static EXPORT fsbackend
	LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
	ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fsbackend)
install(EXPORT fsbackend NAMESPACE fsbackend:: FILE fsbackend-targets.cmake DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fsbackend-config-version.cmake
	COMPATIBILITY SameMinorVersion)
install(FILES cmake/fsbackend-config.cmake ${PROJECT_BINARY_DIR}/fsbackend-config-version.cmake
	DESTINATION ${package_dir})

# Some packagers give whole paths for these; otherwise they move with the prefix.
foreach(dir LIBDIR INCLUDEDIR)
	string(TOLOWER pc_${dir} name)
	set(${name} "${CMAKE_INSTALL_${dir}}")
	if(NOT IS_ABSOLUTE "${${name}}")
		set(${name} "\\\${prefix}/${${name}}")
	endif()
endforeach()

# The prefix may be chosen as late as at `cmake --install --prefix`, and the file has to know it.
install(CODE "
	set(PROJECT_DESCRIPTION \"${PROJECT_DESCRIPTION}\")
	set(PROJECT_VERSION \"${PROJECT_VERSION}\")
	set(LIBDIR \"${pc_libdir}\")
	set(INCLUDEDIR \"${pc_includedir}\")
	configure_file(\"${PROJECT_SOURCE_DIR}/pkgconfig/fsbackend.pc.in\"
		\"${PROJECT_BINARY_DIR}/fsbackend.pc\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/fsbackend.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

foreach(section 1 3 7 8)
	file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.${section})
	if(pages)
		install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
	endif()
endforeach()

# `mount -t fuse.NAME` runs /sbin/mount.fuse.NAME, which is one of the programs by another name.
function(fsb_install_mount_helper program name)
	file(RELATIVE_PATH target ${CMAKE_INSTALL_FULL_SBINDIR} ${CMAKE_INSTALL_FULL_BINDIR}/${program})
	install(CODE "
		cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_PREFIX OUTPUT_VARIABLE sbin)
		cmake_path(APPEND sbin \"${CMAKE_INSTALL_SBINDIR}\")
		set(sbin \"\$ENV{DESTDIR}\${sbin}\")
		message(STATUS \"Installing: \${sbin}/${name}\")
		file(MAKE_DIRECTORY \"\${sbin}\")
		file(CREATE_LINK \"${target}\" \"\${sbin}/${name}\" SYMBOLIC)")
endfunction()

if(TARGET fsbackend-mount)
	install(TARGETS fsbackend-mount fsbackend-serve fsbackend-attach DESTINATION ${CMAKE_INSTALL_BINDIR})
	fsb_install_mount_helper(fsbackend-mount mount.fuse.fsbackend)
	fsb_install_mount_helper(fsbackend-attach mount.fuse.fsbackend-attach)
endif()
